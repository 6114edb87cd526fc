#!/usr/bin/env bash
# Says what each flow costs now and what it cost at BASE, as Markdown for a comment, and holds it to policies.
#
#   cost.sh BASE [POLICY …]          cost.sh origin/main 'increase > 10%' 'crosses budget'
#
# Ends with 0 when all is kept, 1 when a flow has problems, 2 when a policy or a budget is broken, 3 when it could not run.
# Flows whose cost did not change are left out.
set -uo pipefail
base=${1:?usage: cost.sh BASE [POLICY …]}
shift
policies=()
for policy in "$@"; do policies+=(--fail-on "$policy"); done

worst=0
shown=0
while IFS= read -r file; do
  [ -f "$file" ] || continue
  while IFS= read -r flow; do
    comment=$(pmflow cost "$file:$flow" --diff "$base" --format markdown "${policies[@]}")
    code=$?
    if [ "$code" -gt "$worst" ]; then worst=$code; fi
    if [ "$code" -eq 0 ] && grep -q '^Nothing of it changed' <<<"$comment"; then continue; fi
    printf '%s\n\n' "$comment"
    shown=$((shown + 1))
  done < <(sed -n 's/^flow \([A-Za-z_][A-Za-z0-9_]*\).*/\1/p' "$file")
done < <(git ls-files --cached --others --exclude-standard -- '*.pmflow')

if [ "$shown" -eq 0 ]; then echo "No flow costs more or less than at \`$base\`."; fi
exit "$worst"
