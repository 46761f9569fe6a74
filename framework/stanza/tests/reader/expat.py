"""Prints what expat reports for each document on stdin, one line of JSON per document.

A document is its length in decimal, a line feed, and its bytes.
"""

import json
import sys
from xml.parsers import expat

# No name or namespace can contain this character.
SEPARATOR = "\x01"


def split(name):
    namespace, _, local = name.rpartition(SEPARATOR)
    return [namespace, local]


class Reading:
    """The events of one document. Everything after the end of its root element is ignored."""

    def __init__(self):
        self.events = []
        self.depth = 0
        self.closed = False
        self.restricted = False
        self.version = None
        self.encoding = None
        self.error = None

    def start(self, name, attributes):
        if not self.closed:
            self.depth += 1
            pairs = [[split(key), value] for key, value in attributes.items()]
            self.events.append(["start", split(name), pairs])

    def end(self, _name):
        if not self.closed:
            self.depth -= 1
            self.closed = self.depth == 0
            self.events.append(["end"])

    def text(self, data):
        if not self.closed:
            self.events.append(["text", data])

    def restrict(self, *_):
        self.restricted |= not self.closed

    def declaration(self, version, encoding, _standalone):
        self.version = version
        self.encoding = encoding

    def read(self, data):
        parser = expat.ParserCreate(namespace_separator=SEPARATOR)
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text
        parser.CommentHandler = self.restrict
        parser.ProcessingInstructionHandler = self.restrict
        parser.StartDoctypeDeclHandler = self.restrict
        parser.XmlDeclHandler = self.declaration
        try:
            parser.Parse(data, False)
        except (expat.ExpatError, LookupError) as error:
            # An encoding unknown to Python is a LookupError.
            self.error = None if self.closed else str(error)
        return vars(self)


def main():
    stream = sys.stdin.buffer
    while line := stream.readline():
        print(json.dumps(Reading().read(stream.read(int(line)))), flush=True)


main()
