package wasmtest

// memoryNumber leaves what memory.size or memory.grow answers.
func (f *function) memoryNumber(depth int) {
	switch {
	case f.m.memory == nil:
		f.leaf(i32)
	case f.rarely(2):
		switch {
		case !f.m.memory.bounded: // it would have all the machine has
			f.number(int32(f.below(2)) - 1)
		case f.rarely(3):
			f.expr(i32, depth)
		default:
			f.number(int32(f.below(3)))
		}
		f.op(opMemoryGrow)
		f.code = append(f.code, 0)
	default:
		f.op(opMemorySize)
		f.code = append(f.code, 0)
	}
}

// tableNumber leaves what table.size or table.grow answers.
func (f *function) tableNumber(depth int) {
	if len(f.m.tables) == 0 {
		f.leaf(i32)
		return
	}
	i := f.below(len(f.m.tables))
	t := f.m.tables[i]
	if f.rarely(2) {
		f.expr(t.elements, depth)
		if t.bounded {
			f.few(f.rarely(2), 7, depth)
		} else { // up to a thousand
			f.number(0)
			f.few(false, 7, depth)
			f.op(opTableSize, uint32(i))
			f.number(1000)
			f.op(opI32GtU)
			f.op(opSelect)
		}
		f.op(opTableGrow, uint32(i))
		return
	}
	f.op(opTableSize, uint32(i))
}

// few leaves a number up to most, or any at all.
func (f *function) few(wild bool, most int32, depth int) {
	f.expr(i32, depth)
	if !wild {
		f.number(most)
		f.op(opI32And)
	}
}

// slot leaves an index into a table, mostly of what is there.
func (f *function) slot(table uint32, depth int) {
	n := int(f.m.tables[table].min)
	if n > 0 && !f.rarely(8) {
		f.number(int32(f.below(n)))
		return
	}
	f.few(f.rarely(4), 3, depth)
}

// bulk is a statement that works on a length of memory.
func (f *function) bulk(depth int) {
	if f.m.memory == nil {
		f.tables(depth)
		return
	}
	if f.inLoop() {
		f.m.note("bulk instruction in a loop")
	}
	wild := f.rarely(16)
	switch form := f.weighted(2, 2, 2, 1); {
	case form == 0:
		f.few(wild, 0x1fff, depth)
		f.expr(i32, depth)
		f.few(wild, 0xfff, depth)
		f.op(opMemoryFill)
		f.code = append(f.code, 0)
	case form == 1:
		f.few(wild, 0x1fff, depth)
		f.few(wild, 0x1fff, depth)
		f.few(wild, 0xfff, depth)
		f.op(opMemoryCopy)
		f.code = append(f.code, 0, 0)
	case len(f.m.data) == 0:
		f.op(opNop)
	case form == 2:
		i, ok := indexOf(f.choices, f.m.data, func(d dataSegment) bool { return d.passive })
		if !ok || wild {
			i = uint32(f.below(len(f.m.data)))
		}
		f.few(wild, 0x1fff, depth)
		f.few(wild, 3, depth)
		f.few(wild, 7, depth)
		f.op(opMemoryInit, i)
		f.code = append(f.code, 0)
	case form == 3:
		f.op(opDataDrop, uint32(f.below(len(f.m.data))))
	}
}

// tables is a statement that works on tables and element segments.
func (f *function) tables(depth int) {
	if len(f.m.tables) == 0 {
		f.op(opNop)
		return
	}
	if f.inLoop() {
		f.m.note("table instruction in a loop")
	}
	i := uint32(f.below(len(f.m.tables)))
	t := f.m.tables[i]
	wild := f.rarely(16)
	switch f.weighted(3, 2, 2, 2, 1) {
	case 0:
		f.slot(i, depth)
		f.expr(t.elements, depth)
		f.op(opTableSet, i)
	case 1:
		f.few(wild, 3, depth)
		f.expr(t.elements, depth)
		f.few(wild, 3, depth)
		f.op(opTableFill, i)
	case 2:
		from, _ := f.table(t.elements)
		f.few(wild, 3, depth)
		f.few(wild, 3, depth)
		f.few(wild, 3, depth)
		f.op(opTableCopy, i, from)
	case 3:
		s, ok := indexOf(f.choices, f.m.elements, func(e elementSegment) bool {
			return e.elements == t.elements && (wild || e.flags&3 == 1)
		})
		if !ok {
			f.op(opNop)
			return
		}
		f.few(wild, 3, depth)
		f.few(wild, 1, depth)
		f.few(wild, 1, depth)
		f.op(opTableInit, s, i)
	case 4:
		if n := len(f.m.elements); n > 0 {
			f.op(opElemDrop, uint32(f.below(n)))
		}
	}
}
