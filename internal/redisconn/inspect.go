package redisconn

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// minVersion is the first with sharded publishing (SSUBSCRIBE) and with scripts that expect it.
const minVersion = "7.0"

// inspect refuses a server that would break promises, and warns of one that might.
func (c *Conn) inspect(ctx context.Context) error {
	info, err := c.client.Info(ctx).Result()
	if err != nil {
		return plain(err)
	}
	warning, err := judge(fieldsOf(info))
	if warning != "" {
		c.logger.Warn("redis: " + warning)
	}
	return err
}

// fieldsOf reads the answer to INFO.
func fieldsOf(info string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// judge looks at what a server says of itself. Valkey passes: it names the Redis version that it is compatible with.
func judge(info map[string]string) (warning string, err error) {
	if version := info["redis_version"]; !atLeast(version, minVersion) {
		return "", fmt.Errorf("it is version %s, and %s or later is needed (sharded publishing)", version, minVersion)
	}
	if info["cluster_enabled"] == "1" {
		return "", errors.New("it is part of a cluster, which is not supported yet; name a standalone server")
	}
	policy := info["maxmemory_policy"]
	bounded := info["maxmemory"] != "0" && info["maxmemory"] != ""
	const advice = "set maxmemory-policy noeviction"
	switch {
	case strings.HasPrefix(policy, "allkeys-") && bounded:
		return "", fmt.Errorf("its maxmemory-policy is %s: when memory runs short it would drop the records of who is live; %s", policy, advice)
	case strings.HasPrefix(policy, "allkeys-"):
		return fmt.Sprintf("its maxmemory-policy is %s: with a maxmemory, which it does not have now, it would drop the records of who is live; %s", policy, advice), nil
	case strings.HasPrefix(policy, "volatile-"):
		return fmt.Sprintf("its maxmemory-policy is %s: when memory runs short it drops presence keys and the recent events of rooms; %s", policy, advice), nil
	}
	return "", nil
}

// atLeast compares dotted versions by their first two numbers; what is none is too old.
func atLeast(version, least string) bool {
	major, minor, ok := majorMinor(version)
	leastMajor, leastMinor, _ := majorMinor(least)
	return ok && (major > leastMajor || major == leastMajor && minor >= leastMinor)
}

func majorMinor(version string) (major, minor int, ok bool) {
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err1 == nil && err2 == nil
}
