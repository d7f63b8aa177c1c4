//go:build unix

package bench_test

import (
	"math"
	"testing"
)

// cost is the median ratios of a kernel, in one of the rounds of -count.
type cost struct {
	language, kernel string
	round            int
	metered, closing float64
}

type summary []cost

func (s *summary) add(language, kernel string, r ratios) {
	round := 0
	for _, c := range *s {
		if c.language == language && c.kernel == kernel {
			round++
		}
	}
	*s = append(*s, cost{language, kernel, round, quantile(r.metered, 0.5), quantile(r.closing, 0.5)})
}

const allLanguages = "all"

// report gives the geometric means over the kernels of a language that were measured.
func (s *summary) report(b *testing.B, language string) {
	round := -1
	b.Run("lang="+language+"/kernel=geomean", func(b *testing.B) {
		// Whatever takes no time is called again with a greater N.
		if b.N == 1 {
			round++
		}
		var kernels, metered, closing float64
		for _, c := range *s {
			if (c.language == language || language == allLanguages) && c.round == round {
				kernels++
				metered += math.Log(c.metered)
				closing += math.Log(c.closing)
			}
		}
		if kernels == 0 {
			b.SkipNow()
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(kernels, "kernels")
		b.ReportMetric(math.Exp(metered/kernels), "metered/plain")
		b.ReportMetric(math.Exp(closing/kernels), "closing/plain")
	})
}
