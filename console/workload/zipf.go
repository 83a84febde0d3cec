package workload

import (
	"math"
	"math/rand/v2"
)

// exponent of the zipf distribution, as in the YCSB benchmark (Cooper et al., "Benchmarking Cloud Serving Systems with
// YCSB", 2010), whose method this is.
const exponent = 0.99

// picker draws keys. It is read only and may be shared.
type picker struct {
	keys              int
	zipf              bool
	zetan, alpha, eta float64
}

func newPicker(keys int, distribution Distribution) *picker {
	p := &picker{keys: keys, zipf: distribution == Zipf && keys > 2}
	if !p.zipf {
		return p
	}
	zeta := func(n int) (sum float64) {
		for i := 1; i <= n; i++ {
			sum += 1 / math.Pow(float64(i), exponent)
		}
		return sum
	}
	p.zetan, p.alpha = zeta(keys), 1/(1-exponent)
	p.eta = (1 - math.Pow(2/float64(keys), 1-exponent)) / (1 - zeta(2)/p.zetan)
	return p
}

// pick draws the number of a key.
func (p *picker) pick(random *rand.Rand) int {
	if !p.zipf {
		return random.IntN(p.keys)
	}
	u := random.Float64()
	uz := u * p.zetan
	switch {
	case uz < 1:
		return 0
	case uz < 1+math.Pow(0.5, exponent):
		return 1
	default:
		return min(int(float64(p.keys)*math.Pow(p.eta*u-p.eta+1, p.alpha)), p.keys-1)
	}
}
