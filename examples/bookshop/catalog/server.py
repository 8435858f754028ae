"""The books, by id. Calls nobody."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from service import ME, Refusal, serve  # noqa: E402

BOOKS = [
    {"id": "dune", "title": "Dune", "author": "Frank Herbert", "topic": "space", "price": 12},
    {"id": "foundation", "title": "Foundation", "author": "Isaac Asimov", "topic": "space", "price": 9},
    {"id": "solaris", "title": "Solaris", "author": "Stanisław Lem", "topic": "space", "price": 8},
    {"id": "emma", "title": "Emma", "author": "Jane Austen", "topic": "love", "price": 7},
    {"id": "persuasion", "title": "Persuasion", "author": "Jane Austen", "topic": "love", "price": 7},
    {"id": "sicp", "title": "Structure and Interpretation of Computer Programs", "author": "Abelson, Sussman", "topic": "code", "price": 40},
    {"id": "taocp", "title": "The Art of Computer Programming", "author": "Donald Knuth", "topic": "code", "price": 55},
]


def handle(path, query):
    """`/books` (`?topic=`), `/books/<id>`"""
    if path == "/books":
        topic = query.get("topic")
        return {"items": [book for book in BOOKS if topic in (None, book["topic"])], "servedBy": ME}
    for book in BOOKS:
        if path == "/books/" + book["id"]:
            return book
    raise Refusal(404, f"no book at {path}; /books lists them")


serve(handle)
