package web

import (
	"net/http/pprof"

	"github.com/go-chi/chi/v5"
)

// profiles are what "go tool pprof" asks for. They show what is in memory, and
// cost time to make: they are on the internal address alone.
func profiles(r chi.Router) {
	r.HandleFunc("/debug/pprof/*", pprof.Index)
	r.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	r.HandleFunc("/debug/pprof/profile", pprof.Profile)
	r.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	r.HandleFunc("/debug/pprof/trace", pprof.Trace)
}
