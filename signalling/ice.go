package signalling

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what the scheme prescribes
	"encoding/base64"
	"strconv"
	"time"

	"github.com/tallylight/tallylight/presence"
)

// DefaultTURNLife is how long credentials for a TURN server are good for.
const DefaultTURNLife = time.Hour

// ICE names the servers that help two peers to find a path to each other (RFC 8445). The zero value names none.
type ICE struct {
	STUN []string // their URLs, as in RFC 7064
	TURN []string // as in RFC 7065; they need a secret
	// Secrets are those that the TURN servers share with us: the first makes credentials, a second is only known to them
	// still, or already, while secrets are rotated.
	Secrets []string
	// Life is how long credentials are good for; 0 means DefaultTURNLife. A connection is given new ones when 70 % of it
	// are over.
	Life time.Duration
}

// ICEServer is one entry, in the form of WebRTC's RTCIceServer.
type ICEServer struct {
	URLs       []string        `json:"urls"`
	Username   string          `json:"username,omitempty"`
	Credential string          `json:"credential,omitempty"`
	ExpiresAt  presence.Millis `json:"expires_at,omitempty"` // of the credential
}

func (c ICE) withDefaults() ICE {
	if c.Life == 0 {
		c.Life = DefaultTURNLife
	}
	return c
}

// servers returns what a connection is told. Credentials are its own, and end by themselves: this is the scheme of
// draft-uberti-behave-turn-rest-00, coturn's use-auth-secret.
func (c ICE) servers(connection string, now time.Time) []ICEServer {
	var all []ICEServer
	if len(c.STUN) > 0 {
		all = append(all, ICEServer{URLs: c.STUN})
	}
	if len(c.TURN) > 0 && len(c.Secrets) > 0 {
		expires := now.Add(c.Life).Truncate(time.Second)
		username := strconv.FormatInt(expires.Unix(), 10) + ":" + connection
		all = append(all, ICEServer{
			URLs: c.TURN, Username: username, Credential: credential(c.Secrets[0], username), ExpiresAt: presence.MillisOf(expires),
		})
	}
	return all
}

// credential is the password of a username.
func credential(secret, username string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// renewAfter is how long after they were given credentials are given anew; 0: never, there are none.
func (c ICE) renewAfter() time.Duration {
	if len(c.TURN) == 0 || len(c.Secrets) == 0 {
		return 0
	}
	return c.Life / 10 * 7
}

// iceServers returns what the connection is to use from now on, and notes when it will need new ones.
func (s *session) iceServers() []ICEServer {
	c := &s.srv.cfg.ICE
	servers := c.servers(s.id, time.Now())
	if after := c.renewAfter(); after > 0 {
		s.life.iceAt.Store(int64(s.srv.wheel.now() + after))
		s.srv.wheel.look(s)
	}
	return servers
}

// tickICE gives a connection that has joined a room new credentials before the old ones end.
func (s *session) tickICE(now time.Duration) (next time.Duration) {
	at := s.life.iceAt.Load()
	if at == 0 || s.ended.Load() {
		return never
	}
	if now >= time.Duration(at) {
		s.sendMessage(ICEServers{Type: "ice_servers", Servers: s.iceServers()})
	}
	return time.Duration(s.life.iceAt.Load())
}
