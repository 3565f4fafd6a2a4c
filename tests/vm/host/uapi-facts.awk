# SPDX-License-Identifier: MIT
# readelf --debug-dump=info on standard input; on standard output what C code would see:
#
#   struct NAME SIZE
#   field NAME.FIELD OFFSET SIZE signed|unsigned|other      fields of anonymous members as if they were its own
#   constant NAME VALUE                                    enumerators
#
# An entry is "<depth><offset>: Abbrev Number: N (DW_TAG_x)", its attributes are the lines up to the next one.

function plain(reference) { gsub(/[<>]|0x/, "", reference); return reference }

/^ *<[0-9a-f]+><[0-9a-f]+>: Abbrev Number: [1-9]/ {
	split($1, part, /[<>]+/)
	depth = part[2]
	entry = part[3]
	tag[entry] = $NF
	gsub(/[()]/, "", tag[entry])
	at_depth[depth] = entry
	up = depth > 0 ? at_depth[depth - 1] : ""
	parent[entry] = up
	order[++entries] = entry
	if (up != "")
		child[up, ++children[up]] = entry
	next
}
/DW_AT_name/ { name[entry] = $NF }
/DW_AT_byte_size/ { size[entry] = $NF }
/DW_AT_data_member_location/ { location[entry] = $NF }
/DW_AT_(data_)?bit_(size|offset)/ { bits[entry] = bits[entry] "+bits" $NF }
/DW_AT_const_value/ { value[entry] = $NF }
/DW_AT_upper_bound/ { bound[entry] = $NF }
/DW_AT_encoding/ { encoding[entry] = /unsigned/ ? "unsigned" : /signed/ ? "signed" : "other" }
/DW_AT_type / { type[entry] = plain($NF) }

function bare(t) {
	while (tag[t] == "DW_TAG_typedef" || tag[t] == "DW_TAG_const_type" || tag[t] == "DW_TAG_volatile_type")
		t = type[t]
	return t
}
function elements(t,    i, n) {
	n = 1
	for (i = 1; i <= children[t]; i++)
		n *= (child[t, i] in bound) ? bound[child[t, i]] + 1 : 0 # no bound: a flexible array
	return n
}
function bytes(t) {
	t = bare(t)
	return tag[t] == "DW_TAG_array_type" ? elements(t) * bytes(type[t]) : size[t] + 0
}
function sign(t) {
	t = bare(t)
	if (tag[t] == "DW_TAG_array_type")
		return sign(type[t])
	return (t in encoding) ? encoding[t] : "other"
}
function fields(owner, s, start,    i, m, t) {
	for (i = 1; i <= children[s]; i++) {
		m = child[s, i]
		if (tag[m] != "DW_TAG_member")
			continue
		t = bare(type[m])
		if (name[m] == "")
			fields(owner, t, start + location[m])
		else
			print "field", owner "." name[m], start + location[m] bits[m], bytes(t), sign(t)
	}
}
END {
	for (i = 1; i <= entries; i++) {
		e = order[i]
		if ((tag[e] == "DW_TAG_structure_type" || tag[e] == "DW_TAG_union_type") && name[e] != "" && e in size) {
			print "struct", name[e], size[e]
			fields(name[e], e, 0)
		}
		if (tag[e] == "DW_TAG_enumerator")
			print "constant", name[e], value[e]
	}
}
