module github.com/marketprism/prismrt/sdk/go

go 1.26
