package kernel

const size = 64

// Matrix multiplies two square matrices. Their entries are small integers, so that
// the result is exact in whatever order it is added up.
func Matrix(n int32) int32 {
	var a, b, product [size][size]float64
	for i := range size {
		for j := range size {
			a[i][j] = float64((i*3 + j) % 7)
			b[i][j] = float64((i + j*5) % 11)
		}
	}
	var checksum uint32
	for round := range n {
		for i := range size {
			for j := range size {
				var sum float64
				for k := range size {
					sum += a[i][k] * b[k][j]
				}
				product[i][j] = sum
			}
		}
		checksum = mix(checksum, uint32(product[round%size][round/size%size]))
	}
	return int32(checksum)
}
