package wasmtest

import (
	"maps"
	"slices"
)

// stateGlobal is a global of the module that others import from.
type stateGlobal struct {
	global
	value []byte // an expression, without its end
}

var doubling = funcType{params: []valueType{i32}, results: []valueType{i32}}

// What the module "state" offers.
var (
	stateGlobals = map[string]stateGlobal{
		"base":   {global{i32, false}, []byte{byte(opI32Const), 3}},
		"far":    {global{i64, false}, []byte{byte(opI64Const), 0x7f}},
		"cell":   {global{i64, true}, []byte{byte(opI64Const), 5}},
		"real":   {global{f64, true}, append([]byte{byte(opF64Const)}, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)},
		"vector": {global{v128, false}, append([]byte{prefixSIMD, 12}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)},
		"double": {global{funcref, false}, []byte{byte(opRefFunc), 0}},
		"host":   {global{externref, false}, []byte{byte(opRefNull), byte(externref)}},
	}
	stateNames  = slices.Sorted(maps.Keys(stateGlobals))
	stateTables = map[string]table{
		"table":   {limits{8, 64, true}, funcref},
		"externs": {limits{4, 32, true}, externref},
	}
	stateMemory = limits{2, 8, true}
)

// State returns the module "state", of which generated ones import. Each needs
// an instance of its own, since they change what it holds. Its functions and
// globals are exported by the names that imports have, the function called
// "double" as "call double".
func State() []byte {
	var globals, tables, exports [][]byte
	export := func(name string, kind byte, index int) {
		exports = append(exports, appendU32(append(appendName(nil, name), kind), uint32(index)))
	}
	for i, name := range stateNames {
		g := stateGlobals[name]
		globals = append(globals, append(append(appendGlobalType(nil, g.global), g.value...), byte(opEnd)))
		export(name, kindGlobal, i)
	}
	for i, name := range slices.Sorted(maps.Keys(stateTables)) {
		t := stateTables[name]
		tables = append(tables, t.append([]byte{byte(t.elements)}))
		export(name, kindTable, i)
	}
	export("memory", kindMemory, 0)
	export(stateFunction, kindFunction, 0)
	b := []byte("\x00asm\x01\x00\x00\x00")
	b = appendVector(b, sectionType, [][]byte{appendFuncType(nil, doubling)})
	b = appendVector(b, sectionFunction, [][]byte{{0}})
	b = appendVector(b, sectionTable, tables)
	b = appendVector(b, sectionMemory, [][]byte{stateMemory.append(nil)})
	b = appendVector(b, sectionGlobal, globals)
	b = appendVector(b, sectionExport, exports)
	return appendVector(b, sectionCode, [][]byte{{7, 0, byte(opLocalGet), 0, byte(opLocalGet), 0, byte(opI32Add), byte(opEnd)}})
}

// stateFunction is what the function of the module "state" is called.
const stateFunction = "call double"
