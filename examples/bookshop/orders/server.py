"""Who bought what. Calls catalog for titles and prices."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from service import ME, Refusal, ask, serve  # noqa: E402

ORDERS = {
    "ada": ["sicp", "dune", "emma"],
    "grace": ["taocp", "foundation"],
    "linus": ["sicp", "taocp", "solaris"],
}


def handle(path, query):
    """`/<username>`: the books a customer bought, and what they cost together"""
    bought = ORDERS.get(path.strip("/"))
    if bought is None:
        raise Refusal(404, f"no customer called {path.strip('/')}")
    books = [ask("catalog", "/books/" + book) for book in bought]
    return {"books": books, "total": sum(book["price"] for book in books), "servedBy": ME}


serve(handle)
