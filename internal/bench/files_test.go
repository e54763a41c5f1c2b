package bench

import (
	"strings"
	"testing"
)

func TestCheckFiles(t *testing.T) {
	if err := checkFiles(1000-spareFiles, 1000); err != nil {
		t.Errorf("just enough: %v", err)
	}
	if err := checkFiles(1<<20, 0); err != nil {
		t.Errorf("without a limit: %v", err)
	}
	err := checkFiles(1001-spareFiles, 1000)
	if err == nil {
		t.Fatal("one too many is taken")
	}
	for _, want := range []string{"--viewers", "ulimit", "1001", "1000"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}
