package inject

import (
	"logging.taco/sidecar/config"
)

// A file that is deleted before it is delivered keeps its space, as the sidecar
// has it open. With the output down for hours that would fill the volume, or the
// node, behind the back of its size limit. So the limit bounds that too: what
// the sidecars of a volume hold together is at most three quarters of it; the
// rest is left for the files that are still there. Beyond that the oldest are
// given up, and the sidecar says so.

// held is the sidecar's max-held: its share of the smallest limited volume that
// it reads; 0: none of them has a limit, and nothing is given up.
func (w *work) held(g *group) config.Size {
	least := int64(0)
	for _, m := range g.mounts {
		limit := w.limitOf(m.Name)
		if limit <= 0 {
			continue
		}
		share := max(limit/4*3/w.readers(m.Name), 1)
		for _, unit := range []int64{1 << 20, 1 << 10} { // whole ones read better
			if share > unit {
				share -= share % unit
				break
			}
		}
		if least == 0 || share < least {
			least = share
		}
	}
	return config.Size(least)
}

// limitOf is the size limit in bytes of a volume; 0: it has none.
func (w *work) limitOf(volume string) int64 {
	for _, f := range w.folders {
		if f.volume == volume {
			limit := w.sizeLimit()
			return limit.Value()
		}
	}
	for _, v := range w.base.Spec.Volumes {
		if v.Name == volume && v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil {
			return v.EmptyDir.SizeLimit.Value()
		}
	}
	return 0
}

// readers is the number of sidecars that read a volume.
func (w *work) readers(volume string) (n int64) {
	for _, g := range w.groups {
		for _, m := range g.mounts {
			if m.Name == volume {
				n++
				break // perhaps twice, by subPath
			}
		}
	}
	return n
}
