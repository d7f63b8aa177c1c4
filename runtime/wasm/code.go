package wasm

import "fmt"

// Bounds on code, against modules that take the compiler's time or memory: all
// but the nesting are those of other engines (WebAssembly JavaScript Interface,
// "Implementation-defined Limits"). Nesting costs wazero the square of it, loops
// more: 5,000 blocks compile in 0.2 s, 50,000 in 11 to 27 s, 1,000 loops in 1.8 s
// and 5,000 in 4.4 s.
const (
	MaxLocals   = 50_000    // of a function, parameters not counted
	MaxNesting  = 5_000     // of blocks, loops and ifs in a function
	MaxLoops    = 500       // of loops in loops
	MaxBody     = 7_654_321 // bytes of a function
	MaxSegments = 100_000   // data segments; as many element segments
)

// codeSection walks every instruction of every function.
func (p *parser) codeSection() {
	n := p.count()
	if n != p.module.Functions {
		p.fail("there are bodies for %d functions and types for %d", n, p.module.Functions)
		return
	}
	section := p.end
	if p.graph != nil {
		p.bodies = make([]body, n)
	}
	for i := range n {
		p.function = len(p.functions) - n + i
		size := p.u32()
		start := p.pos
		if p.bytes(size); p.err != nil {
			return
		}
		if size > MaxBody {
			p.fail("its body of %d bytes is over the limit of %d", size, MaxBody)
			return
		}
		p.end, p.pos = p.pos, start
		if p.graph != nil {
			b := &p.bodies[i]
			b.start, b.stop, b.calls = start, p.end, len(p.calls)
		}
		p.body(i)
		if p.err != nil {
			return
		}
		p.end = section
	}
	p.function = -1
}

// body walks the code of one of the defined functions, of which p.end is the end.
func (p *parser) body(function int) {
	locals := uint64(0)
	for range p.count() {
		locals += uint64(p.u32())
		p.valueType()
		if locals > MaxLocals {
			p.fail("%d locals are over the limit of %d", locals, MaxLocals)
		}
		if p.err != nil {
			return
		}
	}
	imported := uint32(len(p.functions) - p.module.Functions)
	locals += uint64(len(p.types[p.functions[p.function]].Params))
	loops := 0
	p.open = append(p.open[:0], opBlock)
	for len(p.open) > 0 {
		op := p.instruction()
		switch op {
		case opLoop:
			if loops++; loops > MaxLoops {
				p.fail("loops nested deeper than the limit of %d", MaxLoops)
			}
			p.open = append(p.open, op)
		case opBlock, opIf:
			p.open = append(p.open, op)
		case opEnd:
			last := len(p.open) - 1
			if p.open[last] == opLoop {
				loops--
			}
			p.open = p.open[:last]
		case opCall, opRefFunc:
			p.there("function", p.index, len(p.functions))
			if op == opCall && p.graph != nil && p.index >= imported {
				p.calls = append(p.calls, p.index-imported)
			}
		case opLocalGet, opLocalSet, opLocalTee:
			p.there("local", p.index, int(locals))
		case opGlobalGet, opGlobalSet:
			p.there("global", p.index, p.globals)
		case opCallIndirect:
			p.there("type", p.index, len(p.types))
			if p.graph != nil {
				p.bodies[function].indirect = true
			}
		case opMemoryInit:
			p.segmented = true
		case opDataDrop:
			p.segmented, p.spoils = true, true
		default:
			p.spoils = p.spoils || spoils(op)
		}
		if len(p.open) > MaxNesting {
			p.fail("blocks nested deeper than the limit of %d", MaxNesting)
		}
		if p.err != nil {
			return
		}
	}
	if p.pos != p.end {
		p.fail("there is code after its end")
	}
}

// there refuses an index past the author's own. Behind them lie those that rewriting
// adds, which are not the guest's to name: its fuel, for one.
func (r *reader) there(what string, index uint32, count int) {
	if uint64(index) >= uint64(count) {
		r.fail("it names %s %d, which is not there", what, index)
	}
}

// subject names the function a message is about, as its author knows it.
func (p *parser) subject(function int) string {
	if name := functionName(p.b, uint32(function)); name != "" {
		return fmt.Sprintf("function %d (%.100s): ", function, name)
	}
	for i, e := range p.module.Exports {
		if e.Kind == ExternFunc && int(p.exported[i]) == function {
			return fmt.Sprintf("function %d (exported as %.100q): ", function, e.Name)
		}
	}
	return fmt.Sprintf("function %d: ", function)
}

// functionName looks a function up in the name section, which follows the code
// ("Name Section"). It returns "" where there is none, or it cannot be read.
func functionName(b []byte, function uint32) string {
	r := &reader{b: b, pos: min(8, len(b)), end: len(b)}
	for r.err == nil && r.pos < len(b) {
		id, size := r.byte(), r.u32()
		start := r.pos
		if r.bytes(size); r.err != nil {
			return ""
		}
		end := r.pos
		if r.pos = start; id == sectionCustom {
			r.end = end
			if r.name() == "name" {
				return r.functionName(function)
			}
			r.end = len(b)
		}
		r.pos = end
	}
	return ""
}

// functionName reads on in a name section.
func (r *reader) functionName(function uint32) string {
	for r.err == nil && r.pos < r.end {
		id, size := r.byte(), r.u32()
		if id != 1 { // not the names of functions
			r.bytes(size)
			continue
		}
		for range r.count() {
			i, name := r.u32(), r.name()
			if r.err != nil {
				return ""
			}
			if i == function {
				return name
			}
		}
		return ""
	}
	return ""
}
