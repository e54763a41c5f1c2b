package rooms

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallylight/tallylight/auth"
)

var _ prometheus.Collector = (*Hub)(nil)

var (
	roomsDesc = prometheus.NewDesc("tallylight_rooms",
		"Rooms that have members on this node.", nil, nil)
	membersDesc = prometheus.NewDesc("tallylight_members",
		"Members of rooms on this node, by role.", []string{"role"}, nil)
	reactionsDesc = prometheus.NewDesc("tallylight_reactions_total",
		"Reactions that were taken on this node.", nil, nil)
	peeringsDesc = prometheus.NewDesc("tallylight_signalling_sessions",
		"Open signalling sessions of streamers on this node, as far as they were used since the streamer came to it.", nil, nil)
)

// Describe implements prometheus.Collector.
func (h *Hub) Describe(to chan<- *prometheus.Desc) {
	to <- roomsDesc
	to <- membersDesc
	to <- peeringsDesc
	to <- reactionsDesc
}

// Collect implements prometheus.Collector.
func (h *Hub) Collect(to chan<- prometheus.Metric) {
	open := h.open()
	members := map[auth.Role]float64{auth.RoleViewer: 0, auth.RoleStreamer: 0, auth.RoleModerator: 0}
	for _, r := range open {
		r.mu.Lock()
		for _, m := range r.members {
			members[m.role]++
		}
		r.mu.Unlock()
	}
	to <- prometheus.MustNewConstMetric(peeringsDesc, prometheus.GaugeValue, float64(h.sessionsOpen.Load()))
	to <- prometheus.MustNewConstMetric(reactionsDesc, prometheus.CounterValue, float64(h.reactions.ever()))
	to <- prometheus.MustNewConstMetric(roomsDesc, prometheus.GaugeValue, float64(len(open)))
	for role, n := range members {
		to <- prometheus.MustNewConstMetric(membersDesc, prometheus.GaugeValue, n, string(role))
	}
}
