#!/usr/bin/env python3
"""Checks the text of tracked files against the style rules of the project.

prose.py [FILE…]    without files: every tracked file. Prints FILE:LINE: RULE: TEXT; exits 1 if there is any finding.

Rules
  question    the first line of a doc comment begins with What, Who, Whether, How, Where, Why or When
  phrase      a phrase of the list below, in any text, comment, string or identifier
  tuple-let   several bindings packed into one `let (a, b) = (x, y)`
  width       a Rust line over 100 columns that could be broken (tables, URLs and raw strings may be longer)
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUESTION = re.compile(r"(What|Who|Whom|Whose|Whether|How|Where|Why|When)\b")
DOC = re.compile(r"\s*//[/!] ?(.*)")
TUPLE_LET = re.compile(r"\s*let \((mut )?\w+, .*\) = \(")
PHRASES = [
    "whoever", "nobody", "somebody", "whom", "anew", "for ever", "at the most", "is told", "are told", "is said", "go on",
    "goes on", "all else", "of ours", "stands in for", "hold up", "holds up", "for good", "what is there already",
    "in good order",
]
# Identifiers count too: `nobody_answers` is read as often as a sentence.
PHRASE = re.compile(r"(?<![A-Za-z])(" + "|".join(phrase.replace(" ", "[ _]") for phrase in PHRASES) + r")(?![A-Za-z])(?! in\b)", re.I)
# This list itself, foreign text, and data.
SKIPPED = re.compile(r"(^tests/lint/|^LICENSE|\.lock$|package-lock\.json$|/corpus/|\.dict$|\.png$)")
MAX_WIDTH = 100
# What begins a line of a comment.
MARKER = re.compile(r"^\s*(//[/!]?|#)?\s*")


def tracked():
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listing.split("\0") if name]


def has_unbreakable_text(line):
    """Tables, URLs and one-word strings stay whole; so does the text of a raw string, which has no indentation rule."""
    text = line.strip()
    return "|" in text or "http" in text or not text.startswith("//")


def findings(name):
    try:
        lines = (ROOT / name).read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        return
    rust = name.endswith(".rs")
    previous = ""
    for number, line in enumerate(lines, 1):
        # A phrase may be split by a line break.
        here = MARKER.sub("", line)
        joined = f"{MARKER.sub('', previous).rstrip()} {here}"
        for match in PHRASE.finditer(joined):
            if match.end() > len(joined) - len(here):
                yield number, "phrase", match.group(0)
        if rust:
            doc = DOC.match(line)
            if doc and doc.group(1) and not DOC.match(previous) and QUESTION.match(doc.group(1)):
                yield number, "question", doc.group(1)
            if TUPLE_LET.match(line):
                yield number, "tuple-let", line.strip()
            if len(line) > MAX_WIDTH and not has_unbreakable_text(line):
                yield number, "width", line.strip()
        previous = line


def main():
    names = sys.argv[1:] or tracked()
    count = 0
    for name in names:
        if SKIPPED.search(name) or not (ROOT / name).is_file():
            continue
        for number, rule, text in findings(name):
            count += 1
            print(f"{name}:{number}: {rule}: {text[:120]}")
    print(f"{count} findings" if count else "no findings", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
