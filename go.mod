module github.com/marketprism/prismrt

go 1.26
