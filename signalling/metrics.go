package signalling

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	open     prometheus.Gauge
	received *prometheus.CounterVec // by type
	refused  *prometheus.CounterVec // by code
	closed   *prometheus.CounterVec // by close code

	turnedAway *prometheus.CounterVec // handshakes, by code
}

func newMetrics(to prometheus.Registerer) metrics {
	with := promauto.With(to)
	return metrics{
		open: with.NewGauge(prometheus.GaugeOpts{
			Name: "tallylight_connections", Help: "Sockets that are open."}),
		received: with.NewCounterVec(prometheus.CounterOpts{
			Name: "tallylight_messages_received_total", Help: "Messages from clients, by type."}, []string{"type"}),
		refused: with.NewCounterVec(prometheus.CounterOpts{
			Name: "tallylight_messages_refused_total", Help: "Messages answered with an error, by its code."}, []string{"code"}),
		closed: with.NewCounterVec(prometheus.CounterOpts{
			Name: "tallylight_connections_closed_total", Help: "Sockets that ended, by close code; 1000 is any end that the client chose or that just happened."}, []string{"code"}),
		turnedAway: with.NewCounterVec(prometheus.CounterOpts{
			Name: "tallylight_handshakes_refused_total", Help: "Handshakes that were refused, by the code of the problem; rate_limited and unavailable are bounds of an address and of the node."}, []string{"code"}),
	}
}

// label returns the close code as a metric's label.
func (c cause) label() string { return strconv.Itoa(int(c.code)) }
