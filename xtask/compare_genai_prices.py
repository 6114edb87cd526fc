"""Holds the catalog's prices against another table: every model that both know, at random usages, to the last digit.

    pip install genai-prices==0.2.3
    cargo run -q -p xtask -- amounts | python xtask/compare_genai_prices.py

The amounts come from the code that settles calls. Prints how many are equal, and each model of which one is not with the
reason; a difference without a reason ends with 1. Reasons: the sources disagree on the model (the catalog takes the dearest), or
the other table has no price of reading the cache and charges fresh input.
"""

import datetime
import json
import sys
from decimal import Decimal

from genai_prices import Usage, calc_price

WHEN = datetime.datetime(2026, 11, 20, 8, 0, tzinfo=datetime.timezone.utc)
PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "google": "google", "mistral": "mistral",
             "deepseek": "deepseek", "groq": "groq", "xai": "x-ai"}


def theirs_of(line, provider, read):
    usage = Usage(input_tokens=line["input"], cache_read_tokens=read, output_tokens=line["output"])
    return calc_price(usage, model_ref=line["model"], provider_id=provider, genai_request_timestamp=WHEN).total_price


def reason(line, provider, theirs):
    on_price = [field for field in line["disagree"] if field.startswith("price") or "tiers" in field]
    if on_price:
        return "sources disagree on " + ", ".join(on_price)
    if line["read_priced"] and theirs == theirs_of(line, provider, 0):
        return "the other table has no price of reading the cache, and charges fresh input"
    return None


def main():
    equal = unknown = unequal = 0
    differing, unexplained = {}, {}
    skipped = set()
    for text in sys.stdin:
        line = json.loads(text)
        provider = PROVIDERS.get(line["provider"])
        name = f"{line['provider']}/{line['model']}"
        if provider is None or name in skipped:
            continue
        try:
            theirs = theirs_of(line, provider, line["read"])
        except LookupError:
            unknown += 1
            skipped.add(name)
            continue
        mine = Decimal(line["pico"]) / 10**12
        if mine == theirs:
            equal += 1
            continue
        unequal += 1
        why = reason(line, provider, theirs)
        into = unexplained if why is None else differing
        into.setdefault(name, f"{mine} here, {theirs} there ({why or 'no reason is known'})")
    print(f"{equal} amounts equal to the last digit, {unequal} not ({len(differing)} models, with reasons), "
          f"{unknown} models not known there")
    for name, difference in differing.items():
        print(f"  {name}: {difference}")
    for name, difference in unexplained.items():
        print(f"UNEXPLAINED {name}: {difference}")
    sys.exit(1 if unexplained or equal == 0 else 0)


if __name__ == "__main__":
    main()
