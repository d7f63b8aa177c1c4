package abi_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/marketprism/prismrt/host/prism"
	"github.com/marketprism/prismrt/sdk/abi"
)

var update = flag.Bool("update", false, "write README.md anew")

func contract(t *testing.T) abi.Contract {
	t.Helper()
	c, err := abi.Prism()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestThePageIsTheContract(t *testing.T) {
	want := contract(t).Page()
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("README.md")
	if err != nil || string(got) != want {
		t.Errorf("README.md is not what go test ./sdk/abi -update writes: %v", err)
	}
}

func TestTheServerHasTheFunctionsOfTheContractAndNoOthers(t *testing.T) {
	c := contract(t)
	r := wazero.NewRuntime(t.Context())
	t.Cleanup(func() { r.Close(t.Context()) })
	if err := prism.Instantiate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	host := r.Module(c.Module)
	if host == nil {
		t.Fatalf("the server has no module %q", c.Module)
	}
	has := host.ExportedFunctionDefinitions()
	for _, f := range c.Functions {
		definition, ok := has[f.Name]
		if !ok {
			t.Errorf("the server has no %s", f)
			continue
		}
		delete(has, f.Name)
		params, results := names(definition.ParamTypes()), names(definition.ResultTypes())
		if !slices.Equal(params, f.Types()) || strings.Join(results, ",") != f.Result {
			t.Errorf("the server's %s takes %v and returns %v, want %s", f.Name, params, results, f)
		}
	}
	for name := range has {
		t.Errorf("the server has %s, of which the contract knows nothing", name)
	}
}

func names(types []api.ValueType) []string {
	all := make([]string, 0, len(types))
	for _, t := range types {
		all = append(all, api.ValueTypeName(t))
	}
	return all
}

func TestTheServerAndTheBindingsSayWhatTheContractSays(t *testing.T) {
	c := contract(t)
	for _, b := range bindings {
		t.Run(b.language, func(t *testing.T) {
			folder := filepath.Join("../..", b.folder)
			if _, err := os.Stat(folder); os.IsNotExist(err) {
				t.Skipf("there is no %s", b.folder)
			}
			source := b.source(t, folder)
			b.checkFunctions(t, source, c)
			b.checkLevels(t, source, c)
			b.checkCallKeys(t, source, c)
			b.checkLimits(t, source, c)
			b.checkVersion(t, source, c)
		})
	}
}

func (b binding) checkFunctions(t *testing.T, source string, c abi.Contract) {
	if b.function == "" {
		return
	}
	for _, f := range c.Functions {
		found := find(t, b.function, f.Name, source)
		if len(found) != 1 {
			t.Errorf("%s is declared %d times, want once", f.Name, len(found))
			continue
		}
		if params := b.typesOf(t, found[0]["params"]); !slices.Equal(params, f.Types()) {
			t.Errorf("%s(%s) takes %v, want %s", f.Name, found[0]["params"], params, f)
		}
		if result := strings.Join(b.typesOf(t, found[0]["result"]), ","); result != f.Result {
			t.Errorf("%s returns %q, which is %q, want %s", f.Name, found[0]["result"], result, f)
		}
	}
	declared := find(t, b.function, `\w+`, source)
	if len(declared) != len(c.Functions) {
		t.Errorf("%d functions are declared, want the %d of the contract", len(declared), len(c.Functions))
	}
}

func (b binding) checkLevels(t *testing.T, source string, c abi.Contract) {
	for value, level := range c.Levels {
		if int(level.Value) != value {
			t.Fatalf("level %s is %d: a binding may count on their order", level.Name, level.Value)
		}
		found := find(t, b.level, b.spelt(level.Name), source)
		if len(found) != 1 {
			t.Errorf("level %s is there %d times, want once", level.Name, len(found))
			continue
		}
		if said, ok := found[0]["value"]; ok && said != strconv.Itoa(value) {
			t.Errorf("level %s is %s, want %d", level.Name, said, value)
		}
	}
	if levels := b.inOrder(t, source, c); !slices.IsSorted(levels) {
		t.Errorf("the levels stand at %v: not in order", levels)
	}
}

func (b binding) checkCallKeys(t *testing.T, source string, c abi.Contract) {
	for _, key := range c.CallKeys {
		if len(find(t, b.callKey, key.Name, source)) == 0 {
			t.Errorf("nothing is said of the call's %s", key.Name)
		}
	}
}

func (b binding) checkLimits(t *testing.T, source string, c abi.Contract) {
	for name, pattern := range b.limits {
		i := slices.IndexFunc(c.Limits, func(l abi.Limit) bool { return l.Name == name })
		if i < 0 {
			t.Fatalf("the contract has no limit %q", name)
		}
		found := find(t, pattern, "", source)
		if len(found) != 1 {
			t.Errorf("limit %s is there %d times, want once", name, len(found))
		} else if said := product(t, found[0]["value"]); said != c.Limits[i].Value {
			t.Errorf("limit %s is %d, want %d", name, said, c.Limits[i].Value)
		}
	}
}

func (b binding) checkVersion(t *testing.T, source string, c abi.Contract) {
	if b.version == "" {
		return
	}
	if found := find(t, b.version, "", source); len(found) != 1 || found[0]["value"] != c.Version {
		t.Errorf("the version is %v, want %s", found, c.Version)
	}
}

// product reads 4096 and 64 << 10.
func product(t *testing.T, text string) int64 {
	t.Helper()
	base, shift, _ := strings.Cut(text, "<<")
	n, err := strconv.ParseInt(strings.TrimSpace(base), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if shift = strings.TrimSpace(shift); shift != "" {
		by, err := strconv.Atoi(shift)
		if err != nil {
			t.Fatal(err)
		}
		n <<= by
	}
	return n
}
