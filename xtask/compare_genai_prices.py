"""Holds the catalog's prices against another table: every model that both know, at random usages.

    pip install genai-prices==0.2.3
    python xtask/compare_genai_prices.py

Prints how many of the amounts are equal to the last digit, and each model of which one is not. What may differ: models on
whose price the sources disagree (the catalog takes the dearest), and cache reads that the other table has no price of and
charges as fresh input.
"""

import datetime
import glob
import json
import random
from decimal import Decimal

from genai_prices import Usage, calc_price

# A Saturday, when DeepSeek's cheap hours hold all day in the other table, is avoided: the catalog has the dear hours.
WHEN = datetime.datetime(2026, 11, 20, 8, 0, tzinfo=datetime.timezone.utc)
PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "google": "google", "mistral": "mistral",
             "deepseek": "deepseek", "groq": "groq", "xai": "x-ai"}


def ours(model, input_tokens, read_tokens, output_tokens):
    price = model["price"]
    for tier in model.get("tiers", []):
        if input_tokens > tier["above_input_tokens"]:
            price = tier["price"]
    read = price.get("cache_read")
    read = price["input"] if read in (None, "0") else read
    pico = (Decimal(price["input"]) * (input_tokens - read_tokens) + Decimal(read) * read_tokens
            + Decimal(price["output"]) * output_tokens)
    return pico / 1_000_000


def main():
    random.seed(1)
    equal = unequal = unknown = 0
    differing = {}
    for path in sorted(glob.glob("stdlib/models/*.json")):
        with open(path, encoding="utf-8") as file:
            facts = json.load(file)
        if facts["provider"] not in PROVIDERS:
            continue
        for model in facts["models"]:
            for _ in range(10):
                input_tokens = random.randint(1, 400_000)
                read_tokens = random.randint(0, input_tokens)
                output_tokens = random.randint(0, 20_000)
                usage = Usage(input_tokens=input_tokens, cache_read_tokens=read_tokens, output_tokens=output_tokens)
                try:
                    theirs = calc_price(usage, model_ref=model["id"], provider_id=PROVIDERS[facts["provider"]],
                                        genai_request_timestamp=WHEN).total_price
                except LookupError:
                    unknown += 1
                    break
                mine = ours(model, input_tokens, read_tokens, output_tokens)
                if mine == theirs:
                    equal += 1
                else:
                    unequal += 1
                    reason = "sources disagree" if "disagree" in model else "cache read"
                    differing.setdefault(f"{facts['provider']}/{model['id']}", f"{mine} here, {theirs} there ({reason})")
    print(f"{equal} amounts equal, {unequal} not, {unknown} models not known there")
    for name, difference in differing.items():
        print(f"  {name}: {difference}")


if __name__ == "__main__":
    main()
