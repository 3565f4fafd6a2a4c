# SPDX-License-Identifier: MIT
# Sourced by the cases about hosts that the broker refuses: `refused SENTENCE`, `accepted POLICY-LINE`.
policy_with() {
	cat >/tmp/policy.yaml <<-EOF
		version: 1
		host:
		  locked_memory: 64MiB
		  $1
		sockets: [{ name: main, path: broker.sock }]
		tenants:
		  - name: alpha
		    match: { uid: 1000 }
		    limits: { locked_memory: 8MiB }
	EOF
}
check() { iommu-brokerd --policy /tmp/policy.yaml --backend kernel --check 2>&1; }

refused() {
	policy_with ''
	if said=$(check); then fail "not refused: $said"; fi
	note "$said"
	case $said in *"$1"*) ;; *) fail "refused for another reason than: $1" ;; esac
	# Without --check it does not come up either.
	if iommu-brokerd --policy /tmp/policy.yaml --backend kernel --run-dir /run/refused 2>/dev/null; then
		fail "it served"
	fi
}
accepted() {
	policy_with "$1"
	said=$(check) || fail "refused with '$1': $said"
	note "with '$1': $said"
}
