package storetest

var together = []trial{
	{"AWalkLikeTheModels", func(b *bench) { b.likeTheModel(modelSteps()) }},
}
