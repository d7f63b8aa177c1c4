package task

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
)

// Bytes is a size. In text it is a whole number with an optional unit:
// "65536", "64KiB", "1MiB", "2GB" (KiB is 1,024 bytes, KB is 1,000).
type Bytes int64

// UnmarshalText reads the text form.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("%q is not a size; write a number and a unit, such as \"64MiB\"", text)
	}
	*b = Bytes(n)
	return nil
}

// MarshalText writes the largest binary unit that loses nothing: "64MiB".
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String returns the text form, exact: Bytes(1536) is "1536B", not "1.5KiB".
func (b Bytes) String() string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	n, u := int64(b), 0
	for n != 0 && n%1024 == 0 && u < len(units)-1 {
		n, u = n/1024, u+1
	}
	return strconv.FormatInt(n, 10) + units[u]
}

// Duration is a time span. In text it is a number with a unit ("250ms", "30s",
// "1h30m"); a bare number is refused, because it would quietly be nanoseconds.
type Duration time.Duration

// UnmarshalText reads the text form.
func (d *Duration) UnmarshalText(text []byte) error {
	// time.ParseDuration takes a bare 0; the unit is asked for all the same.
	n, err := time.ParseDuration(string(text))
	if _, bare := strconv.ParseFloat(string(text), 64); err != nil || bare == nil {
		return fmt.Errorf("%q is not a duration; write a number and a unit, such as \"30s\" or \"250ms\"", text)
	}
	*d = Duration(n)
	return nil
}

// MarshalText writes the form time.Duration prints: "1m30s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String returns the text form.
func (d Duration) String() string { return time.Duration(d).String() }
