# SPDX-License-Identifier: MIT
# ctest's JUnit file -> a table by tier.
#
#   awk -v totals=FILE -f summary.awk TIERS JUNIT
#
# TIERS has a line "tier test-name" for each test (JUnit knows no labels). A test that is skipped says so (exit status
# 77); one that could not be started counts as failed. `cases` are cmocka's within the test programs.
# Appends "passed failed skipped" to FILE.
function attribute(line, name) {
	if (!match(line, " " name "=\"[^\"]*\""))
		return ""
	return substr(line, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
}
FNR == NR {
	tier_of[$2] = $1
	if (!($1 in tiers)) {
		tiers[$1] = 1
		order[++count] = $1
	}
	next
}
/<testcase / {
	name = attribute($0, "name")
	tier = (name in tier_of) ? tier_of[name] : "other"
	if (!(tier in tiers)) {
		tiers[tier] = 1
		order[++count] = tier
	}
	seconds[tier] += attribute($0, "time")
	status = attribute($0, "status")
	skipped_here = 0
	next
}
/<skipped message="SKIP_/ { skipped_here = 1 }
/\[       OK \]/ { cases[tier]++ }
/<\/testcase>/ {
	if (status == "run")
		passed[tier]++
	else if (skipped_here) {
		skipped[tier]++
		skipped_names = skipped_names " " name
	} else {
		failed[tier]++
		failed_names = failed_names " " name
	}
}
END {
	printf "%-12s %8s %8s %8s %8s %10s\n", "tier", "passed", "failed", "skipped", "cases", "seconds"
	for (i = 1; i <= count; i++) {
		t = order[i]
		printf "%-12s %8d %8d %8d %8d %10.1f\n", t, passed[t], failed[t], skipped[t], cases[t], seconds[t]
		p += passed[t]
		f += failed[t]
		s += skipped[t]
	}
	if (skipped_names)
		print "skipped:" skipped_names
	if (failed_names)
		print "failed:" failed_names
	print p + 0, f + 0, s + 0 >> totals
}
