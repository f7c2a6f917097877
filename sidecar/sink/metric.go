package sink

// Metric is a family of Prometheus metrics of an output, for telemetry. Its
// values are read when it is asked for, from any goroutine.
type Metric struct {
	Name, Kind, Help string // Kind: counter or gauge
	Samples          []Sample
}

// Sample is one value; Label and Of are empty for the only one.
type Sample struct {
	Label, Of string
	Value     any
}

// Single makes a metric of one value.
func Single(name, kind, help string, value any) Metric {
	return Metric{name, kind, help, []Sample{{Value: value}}}
}
