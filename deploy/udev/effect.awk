# SPDX-License-Identifier: MIT
# What the rules make of one device, for a host without udev and for tests:
#
#   awk -v subsystem=misc -v kernel=vfio -f effect.awk 60-iommu-broker.rules      prints "MODE OWNER GROUP", or nothing
#
# Understands what these rules use: SUBSYSTEM== and KERNEL== without patterns, and assignments. Anything else is an error.
function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }
/^[ \t]*(#|$)/ { next }
{
	matches = 1
	count = split($0, terms, ",")
	for (i = 1; i <= count; i++) {
		term = trim(terms[i])
		if (term !~ /^[A-Z_]+(==|:=|\+=|-=|=)"[^"]*"$/) {
			print FILENAME ":" FNR ": not understood: " term >"/dev/stderr"
			wrong = 1
			exit 1
		}
		key = term
		sub(/[^A-Z_].*/, "", key)
		value = term
		sub(/^[^"]*"/, "", value)
		sub(/"$/, "", value)
		if (term ~ /==/) {
			if (key != "SUBSYSTEM" && key != "KERNEL") {
				print FILENAME ":" FNR ": not understood: " term >"/dev/stderr"
				wrong = 1
				exit 1
			}
			if (value != (key == "KERNEL" ? kernel : subsystem))
				matches = 0
		} else if (matches && term ~ /:=/) {
			set[key] = value
		}
	}
}
END {
	if (wrong)
		exit 1
	if ("MODE" in set)
		print set["MODE"], set["OWNER"], set["GROUP"]
}
