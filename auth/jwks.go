package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/MicahParks/jwkset"
)

const (
	// refreshEvery is how often a set is fetched whether anybody needs it or not: within it, a key that was taken out is
	// taken for good no longer.
	refreshEvery = 5 * time.Minute
	// fetchTimeout bounds one fetch, and so how long a token with a key id that nobody knows may wait.
	fetchTimeout = 5 * time.Second
	// maxSet bounds what is read of an answer, in bytes.
	maxSet = 1 << 20
	// unknownEvery is how often at most the set is fetched because a token names a key that is not in it. Anybody can make
	// such tokens, and the set's server should not notice.
	unknownEvery = 10 * time.Second
	// firstRetry and lastRetry bound the time until the next try after one that failed, which doubles each time.
	firstRetry, lastRetry = time.Second, time.Minute
)

// ErrKeysAway: the set of keys has not been fetched yet, so that nobody knows whether the token is any good. It may be
// tried again.
var ErrKeysAway = errors.New("the keys that tokens are checked with can't be fetched at the moment")

// remote is a JSON Web Key Set (RFC 7517) at a URL. It is a jwkset.Storage, into which the library puts what it has
// fetched.
type remote struct {
	jwkset.Storage // for the methods that nobody calls

	url    string // may hold a secret: some have one in their query
	host   string
	client *http.Client
	logger *slog.Logger
	keys   atomic.Pointer[map[string]keyring] // the last good set, by key id; nil until there was one

	mu      sync.Mutex
	flight  *flight   // nil: none is under way
	askedAt time.Time // when it was last fetched for the sake of an unknown key
}

// newRemote checks the URL; nothing is fetched yet.
func newRemote(address string, logger *slog.Logger) (*remote, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("it is not an https URL, without a user in it") // which is not repeated: it may hold a password
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, errors.New("keys are fetched by https; http is for loopback addresses alone")
	}
	return &remote{Storage: jwkset.NewMemoryStorage(), url: address, host: u.Host, client: fetcher(u.Scheme), logger: logger}, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// fetcher returns a client that goes where the URL says and nowhere else.
func fetcher(scheme string) *http.Client {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: fetchTimeout, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true}
	if scheme == "http" {
		t.Proxy = nil
		t.DialContext = (&net.Dialer{Control: loopbackOnly}).DialContext
	}
	return &http.Client{
		Transport:     bounded{t},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirects are not followed") },
	}
}

// loopbackOnly looks at where a name has led.
func loopbackOnly(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().Unmap().IsLoopback() {
		return errors.New("http is for loopback addresses alone")
	}
	return nil
}

// bounded breaks off answers that are too long.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, maxSet)
	}
	return response, err
}

// run fetches the set until the context ends: at once, and then from time to time.
func (r *remote) run(ctx context.Context) {
	retry := firstRetry
	for {
		wait := refreshEvery
		if err := r.fetch(false).wait(ctx); err != nil {
			wait = retry
			retry = min(2*retry, lastRetry)
			if ctx.Err() == nil {
				r.logger.Error("auth: the keys can't be fetched; those that are known stay in use", "host", r.host, "error", withoutURL(err))
			}
		} else {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
			r.client.CloseIdleConnections()
			return
		case <-time.After(wait):
		}
	}
}

// flight is a fetch under way.
type flight struct {
	done chan struct{} // closed when it is over
	err  error         // set before that
}

// withoutURL returns what went wrong, without the URL that the library puts before.
func withoutURL(err error) error {
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		return wrong.Err
	}
	return err
}

// fetch has the set fetched, unless that goes on already. It does not block. For the sake of a token that names an unknown
// key it is not done, and nil returned, if that was done a moment ago.
func (r *remote) fetch(unknown bool) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight != nil {
		return r.flight
	}
	if unknown {
		if time.Since(r.askedAt) < unknownEvery {
			return nil
		}
		r.askedAt = time.Now()
	}
	f := &flight{done: make(chan struct{})}
	r.flight = f
	go func() {
		defer close(f.done)
		_, f.err = jwkset.NewStorageFromHTTP(r.url, jwkset.HTTPClientStorageOptions{
			Client: r.client, HTTPTimeout: fetchTimeout, Storage: r,
			ValidateOptions: jwkset.JWKValidateOptions{SkipAll: true}, // KeyReplaceAll looks at what matters
		})
		r.mu.Lock()
		defer r.mu.Unlock()
		r.flight = nil
	}()
	return f
}

// wait waits until the fetch is over. What is wrong with it is for run to log.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// KeyReplaceAll takes what was fetched in place of what there was. A set without a key that may sign tokens is none: it is
// an accident of whoever answers, and would refuse everybody.
func (r *remote) KeyReplaceAll(_ context.Context, fetched []jwkset.JWK) error {
	set := make(map[string]keyring)
	var unfit error
	for _, jwk := range fetched {
		k, err := pin(jwk)
		id := jwk.Marshal().KID
		if err != nil {
			unfit = errors.Join(unfit, fmt.Errorf("key %.64q: %w", id, err))
			continue
		}
		set[id] = append(set[id], k)
	}
	if len(set) == 0 {
		return errors.Join(errors.New("the set has no key that tokens may be signed with"), unfit)
	}
	if known := r.keys.Load(); unfit != nil && (known == nil || len(*known) != len(set)) {
		r.logger.Warn("auth: some keys of the set are not used", "host", r.host, "error", unfit)
	}
	r.keys.Store(&set)
	return nil
}

// pin pins a key of a set to the algorithm that the set says it is for, see publicKey.
func pin(jwk jwkset.JWK) (key, error) {
	m := jwk.Marshal()
	switch {
	case m.KID == "":
		return key{}, errors.New("it has no id (kid)")
	case m.USE != "" && m.USE != jwkset.UseSig:
		return key{}, fmt.Errorf("it is not for signatures but for %.20q", m.USE)
	case len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify):
		return key{}, errors.New("its key_ops do not have verify")
	case m.KTY == jwkset.KtyOct:
		return key{}, errors.New("it is a secret, which has no place in a set that is handed out")
	case m.D != "":
		return key{}, errors.New("it is a private key, which has no place in a set that is handed out")
	}
	return publicKey(jwk.Key(), string(m.ALG))
}

// find returns the keys of this id. If there is none, the set may be older than the key, and is fetched again, unless that
// was done a moment ago: it blocks until then, for about fetchTimeout at most. ErrKeysAway if the context ends before.
func (r *remote) find(ctx context.Context, id string) (keyring, error) {
	for range 2 { // the first may be one that was under way when the key was made
		if keys := r.known(id); keys != nil {
			return keys, nil
		}
		f := r.fetch(true)
		if f == nil {
			break
		}
		if _ = f.wait(ctx); ctx.Err() != nil {
			return nil, ErrKeysAway // it may be among those that are on their way
		}
	}
	keys := r.known(id)
	if keys == nil && r.keys.Load() == nil {
		return nil, ErrKeysAway
	}
	return keys, nil
}

func (r *remote) known(id string) keyring {
	if set := r.keys.Load(); set != nil {
		return (*set)[id]
	}
	return nil
}
