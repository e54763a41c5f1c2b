package record

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var behind = prometheus.NewDesc("tallylight_record_behind_seconds",
	"Seconds since all that this node is to record was last on record; above 15 its database is away or can't keep up.", nil, nil)

// Describe implements prometheus.Collector.
func (r *Recorder) Describe(to chan<- *prometheus.Desc) { to <- behind }

// Collect implements prometheus.Collector.
func (r *Recorder) Collect(to chan<- prometheus.Metric) {
	since := 0.0
	if at := r.follower.CaughtUp(); at.Unix() > 0 { // else it has just begun
		since = time.Since(at).Seconds()
	}
	to <- prometheus.MustNewConstMetric(behind, prometheus.GaugeValue, since)
}
