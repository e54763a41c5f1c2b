package presence

import "github.com/prometheus/client_golang/prometheus"

var _ prometheus.Collector = (*Directory)(nil)

var (
	streamersDesc = prometheus.NewDesc("tallylight_streamers",
		"Rooms whose streamer is there, over all nodes, by state.", []string{"state"}, nil)
	transitionsDesc = prometheus.NewDesc("tallylight_transitions_total",
		"Transitions that this node was told of, by kind.", []string{"kind"}, nil)
	staleDesc = prometheus.NewDesc("tallylight_directory_stale",
		"1 while what this node knows of who is live may be old.", nil, nil)
)

// Describe implements prometheus.Collector.
func (d *Directory) Describe(to chan<- *prometheus.Desc) {
	to <- streamersDesc
	to <- transitionsDesc
	to <- staleDesc
}

// Collect implements prometheus.Collector.
func (d *Directory) Collect(to chan<- prometheus.Metric) {
	transitions := make(map[Kind]float64)
	d.mu.Lock()
	rooms := 0
	for _, here := range d.rooms {
		rooms += len(here)
	}
	streamers := map[State]float64{
		StateOnline:       float64(rooms - d.onAir.all.len()),
		StateLive:         float64(d.onAir.len(facet{byState, string(StateLive)})),
		StateReconnecting: float64(d.onAir.len(facet{byState, string(StateReconnecting)})),
	}
	for kind, n := range d.told {
		transitions[kind] = float64(n)
	}
	d.mu.Unlock()
	for state, n := range streamers {
		to <- prometheus.MustNewConstMetric(streamersDesc, prometheus.GaugeValue, n, string(state))
	}
	for kind, n := range transitions {
		to <- prometheus.MustNewConstMetric(transitionsDesc, prometheus.CounterValue, n, string(kind))
	}
	stale := 0.0
	if d.Stale() {
		stale = 1
	}
	to <- prometheus.MustNewConstMetric(staleDesc, prometheus.GaugeValue, stale)
}
