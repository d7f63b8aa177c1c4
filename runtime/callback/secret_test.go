package callback_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/callback"
)

// The example of the scheme's specification.
func TestTheSignatureIsThatOfTheScheme(t *testing.T) {
	const id, body, want = "msg_p5jXN8AQM9LWM0D4loKWxJek", `{"test": 2432232314}`, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	s, err := callback.ParseSecrets("# comment\n\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n" + secret)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Sign(id, time.Unix(1614265330, 0), []byte(body))
	if first, second, both := strings.Cut(got, " "); err != nil || first != want || !both || !strings.HasPrefix(second, "v1,") || second == want {
		t.Errorf("got %q, %v; want %q first", got, err, want)
	}
}

func TestWhatIsNoSecretIsRefused(t *testing.T) {
	for _, text := range []string{"", "# nothing", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short", "whsec_AAAA", "whsec_" + strings.Repeat("A", 200), strings.Repeat(secret+"\n", 5), secret + "\nx"} {
		if _, err := callback.ParseSecrets(text); err == nil || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestASecretIsMadeOnceAndForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callback.secret")
	first, err := callback.OpenSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := callback.OpenSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	one, _ := first.Sign("a", time.Unix(1, 0), nil)
	two, _ := second.Sign("a", time.Unix(1, 0), nil)
	info, err := os.Stat(path)
	if one != two || err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%q and %q, %v", one, two, info.Mode())
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 1 {
		t.Errorf("there are %v", left)
	}
	if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := callback.OpenSecrets(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file without a secret: %v", err)
	}
	if _, err := callback.OpenSecrets(filepath.Join(path, "nowhere")); err == nil {
		t.Error("a file that cannot be made was made")
	}
}
