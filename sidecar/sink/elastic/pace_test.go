package elastic

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// A pause ends early when the credentials change, at once where they have done so
// since the attempt, but not one that the backend has asked for.
func TestPauseEndsWithNewCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		asked       time.Duration
		change      time.Duration // when the credentials do; 0: never; negative: before the pause
		least, most time.Duration
	}{
		"no change":       {0, 0, lastPause / 2, lastPause},
		"a change before": {0, -1, 0, 0},
		"a change":        {0, 7 * time.Second, 7 * time.Second, 7*time.Second + lookEvery},
		"asked to pause":  {30 * time.Second, 7 * time.Second, 30 * time.Second, lastPause},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				version := func() int {
					if c.change != 0 && time.Since(begun) >= c.change {
						return 1
					}
					return 0
				}
				p := newPace(1<<20, nil, version, slog.New(slog.DiscardHandler), &stats{})
				p.pause = lastPause
				p.wait(hold, c.asked, 0)
				if took := time.Since(begun); took < c.least || took > c.most {
					t.Errorf("it took %v, not %v to %v", took, c.least, c.most)
				}
			})
		})
	}
}
