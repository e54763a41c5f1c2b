package web

import "net/http"

// answerPolicy is for what is no page: an answer that a browser is led to show
// does nothing there.
const answerPolicy = "default-src 'none'; frame-ancestors 'none'"

// secure sets what browsers should know of every answer. Pages replace the
// policy by theirs. It does not wrap w.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", answerPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY") // for those that don't know frame-ancestors
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin") // what is asked for by CORS is not touched by this
		next.ServeHTTP(w, r)
	})
}
