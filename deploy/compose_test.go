package deploy_test

import (
	"bytes"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// compose is what docker-compose.yml may say: a key that is not here is a mistake.
type compose struct {
	Node     service           `yaml:"x-node"`
	Settings map[string]string `yaml:"x-settings"`
	Services map[string]service
	Networks map[string]struct {
		IPAM struct {
			Config []struct {
				Subnet  netip.Prefix
				Range   netip.Prefix `yaml:"ip_range"`
				Gateway netip.Addr
			}
		}
	}
	Volumes map[string]struct{}
	Configs map[string]struct{ Content string }
}

type service struct {
	Image, Build    string
	Command         []string
	Environment     map[string]string
	Ports           []string
	Volumes         []string
	DependsOn       dependencies `yaml:"depends_on"`
	Restart         string
	StopGracePeriod time.Duration `yaml:"stop_grace_period"`
	Healthcheck     *struct {
		Test              []string
		Interval, Timeout time.Duration
		Retries           int
	}
	Networks map[string]struct {
		Address netip.Addr `yaml:"ipv4_address"`
	}
	Configs []struct{ Source, Target string }
}

// dependencies are the conditions by service. A plain list asks for no more than the start.
type dependencies map[string]string

func (d *dependencies) UnmarshalYAML(node *yaml.Node) error {
	*d = dependencies{}
	if node.Kind == yaml.SequenceNode {
		var names []string
		if err := node.Decode(&names); err != nil {
			return err
		}
		for _, name := range names {
			(*d)[name] = "service_started"
		}
		return nil
	}
	var conditions map[string]struct{ Condition string }
	if err := node.Decode(&conditions); err != nil {
		return err
	}
	for name, c := range conditions {
		(*d)[name] = c.Condition
	}
	return nil
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readCompose(t *testing.T) compose {
	t.Helper()
	var c compose
	decoder := yaml.NewDecoder(bytes.NewReader(readFile(t, "../docker-compose.yml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	if len(c.nodes()) < 2 {
		t.Fatalf("docker-compose.yml has the nodes %q, want two", c.nodes())
	}
	return c
}

// nodes are the names of the services that are built here.
func (c compose) nodes() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c.Services)), func(name string) bool { return c.Services[name].Build == "" })
}

// flag returns the value of a flag in the command, written as --flag=value.
func (s service) flag(t *testing.T, name string) string {
	t.Helper()
	for _, arg := range s.Command {
		if value, found := strings.CutPrefix(arg, "--"+name+"="); found {
			return value
		}
	}
	t.Fatalf("the command %q has no --%s=…", s.Command, name)
	return ""
}

func TestComposeNamesWhatIsThere(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		if (s.Image == "") == (s.Build == "") {
			t.Errorf("%s has the image %q and is built from %q, want one of both", name, s.Image, s.Build)
		}
		if s.Restart != "unless-stopped" {
			t.Errorf("%s is restarted %q", name, s.Restart)
		}
		for other, condition := range s.DependsOn {
			if _, known := c.Services[other]; !known {
				t.Errorf("%s depends on %s, which is no service", name, other)
			}
			if condition == "service_healthy" && c.Services[other].Healthcheck == nil {
				t.Errorf("%s waits for %s to be healthy, which has no healthcheck", name, other)
			}
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, named := c.Volumes[source]; named {
				continue
			}
			if info, err := os.Stat(filepath.Join("..", source)); err != nil || !strings.HasPrefix(source, "./") || info.IsDir() {
				t.Errorf("%s mounts %s, which is neither a volume nor a file here: %v", name, source, err)
			}
		}
	}
}

// TestComposeNodes sees that nodes find what they need, under the name it has in the network.
func TestComposeNodes(t *testing.T) {
	c := readCompose(t)
	names := map[string]bool{}
	for _, name := range c.nodes() {
		node := c.Services[name]
		names[node.Environment["TALLYLIGHT_NODE"]] = true
		for what, address := range map[string]string{
			"--redis": node.flag(t, "redis"), "TALLYLIGHT_DATABASE": node.Environment["TALLYLIGHT_DATABASE"],
		} {
			u, err := url.Parse(interpolated(address))
			if err != nil {
				t.Errorf("%s: %s: %v", name, what, err)
			} else if node.DependsOn[u.Hostname()] != "service_healthy" {
				t.Errorf("%s does not wait until %s, which %s names, is healthy", name, u.Hostname(), what)
			}
		}
		if grace, drain := node.StopGracePeriod, duration(t, node.flag(t, "drain")); grace < drain+5*time.Second {
			t.Errorf("%s is killed %s after it was asked to drain for %s", name, grace, drain)
		}
	}
	if len(names) != len(c.nodes()) {
		t.Errorf("the nodes call themselves %v", names)
	}
	if redis := strings.Join(c.Services["redis"].Command, " "); !strings.Contains(redis, "--maxmemory-policy noeviction") {
		t.Errorf("Redis may evict: %q", redis)
	}
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var variable = regexp.MustCompile(`\$\{(\w+):([-?])([^}]*)\}`)

// interpolated replaces ${NAME:-default} by the default, where no variable is set.
func interpolated(text string) string { return variable.ReplaceAllString(text, "$3") }

// TestComposeSecrets sees that no secret has a default that others know, and that none is in a command, which
// everybody on the machine may read.
func TestComposeSecrets(t *testing.T) {
	c := readCompose(t)
	for _, name := range c.nodes() {
		node := c.Services[name]
		for _, secret := range []string{"TALLYLIGHT_JWT_SECRET", "TALLYLIGHT_TURN_SECRET"} {
			m := variable.FindStringSubmatch(node.Environment[secret])
			if m == nil || m[1] != secret || m[2] != "?" || !strings.Contains(m[3], "openssl rand") {
				t.Errorf("%s has the secret %q, want one from outside, or a word on how to make it", name, node.Environment[secret])
			}
		}
		for _, arg := range node.Command {
			if strings.Contains(arg, "secret") || strings.Contains(arg, "$") || strings.Contains(arg, "@") {
				t.Errorf("%s has %s in its command", name, arg)
			}
		}
	}
	for _, name := range []string{"redis", "postgres"} {
		if ports := c.Services[name].Ports; ports != nil {
			t.Errorf("%s, which has no secret password, can be reached from outside: %q", name, ports)
		}
	}
}

// TestComposeAddresses sees that nodes believe nginx and nobody else, and that nobody else gets a fixed address.
func TestComposeAddresses(t *testing.T) {
	c := readCompose(t)
	network := c.Networks["default"].IPAM.Config[0]
	if !network.Subnet.Contains(network.Gateway) || !network.Subnet.Overlaps(network.Range) || network.Range.Contains(network.Gateway) {
		t.Errorf("the network does not fit together: %+v", network)
	}
	owners := map[netip.Addr]string{network.Gateway: "the gateway"}
	for name, s := range c.Services {
		address := s.Networks["default"].Address
		if !address.IsValid() {
			continue
		}
		if !network.Subnet.Contains(address) || network.Range.Contains(address) {
			t.Errorf("%s has the address %s, which is not in %s or is given to others too", name, address, network.Subnet)
		}
		if owner, taken := owners[address]; taken {
			t.Errorf("%s has the address of %s", name, owner)
		}
		owners[address] = name
	}
	for _, name := range c.nodes() {
		trusted := c.Services[name].flag(t, "trusted-proxy")
		if address, err := netip.ParseAddr(trusted); err != nil || owners[address] != "nginx" {
			t.Errorf("%s trusts %s, want the address of nginx alone", name, trusted)
		}
		if !c.Services[name].Networks["default"].Address.IsValid() {
			t.Errorf("%s gets another address when it is made anew, and nginx would not notice", name)
		}
	}
}

// TestComposeAndNginxAgree sees that each node is where nginx looks for it, and nginx where its port leads.
func TestComposeAndNginxAgree(t *testing.T) {
	c, conf := readCompose(t), string(readFile(t, "nginx.conf"))
	var upstream []string
	for _, m := range regexp.MustCompile(`(?m)^\s*server\s+(\S+:\d+)\b`).FindAllStringSubmatch(conf, -1) {
		upstream = append(upstream, m[1])
	}
	var nodes []string
	for _, name := range c.nodes() {
		_, port, err := net.SplitHostPort(c.Services[name].flag(t, "listen"))
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, net.JoinHostPort(name, port))
		if _, waits := c.Services["nginx"].DependsOn[name]; !waits {
			t.Errorf("nginx starts before the name %s is known", name)
		}
	}
	if !slices.Equal(upstream, nodes) {
		t.Errorf("nginx looks for the nodes at %q, and they are at %q", upstream, nodes)
	}
	_, port, _ := strings.Cut(c.Services["nginx"].Ports[0], ":")
	if !strings.Contains(conf, "listen "+port+";") {
		t.Errorf("port %s of nginx is published, and it does not listen there", port)
	}
	if want := "./deploy/nginx.conf:/etc/nginx/nginx.conf:ro"; !slices.Contains(c.Services["nginx"].Volumes, want) {
		t.Errorf("nginx has the volumes %q, want %s", c.Services["nginx"].Volumes, want)
	}
}
