"""Writes a batch of rows into a store, as a worker among others would:
store.py KIND PATH WORKER BATCH; with no batch it prints how many rows there are."""

import sys

ROWS = 10


def sqlite(path, rows):
    import sqlite3

    db = sqlite3.connect(path, timeout=0)  # no waiting of its own
    with db:
        db.execute("CREATE TABLE IF NOT EXISTS t (worker INTEGER, batch INTEGER, n INTEGER)")
        db.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    return db.execute("SELECT count(*), count(DISTINCT worker || ' ' || batch || ' ' || n) FROM t").fetchone()


def duckdb(path, rows):
    import duckdb

    with duckdb.connect(path) as db:
        db.execute("CREATE TABLE IF NOT EXISTS t (worker INTEGER, batch INTEGER, n INTEGER)")
        if rows:
            db.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        return db.execute("SELECT count(*), count(DISTINCT (worker, batch, n)) FROM t").fetchone()


def lancedb(path, rows):
    import lancedb

    db = lancedb.connect(path)
    data = [{"worker": w, "batch": b, "n": n, "vector": [float(w), float(n)]} for w, b, n in rows]
    if data:
        if "t" in list(db.table_names()):
            db.open_table("t").add(data)
        else:
            db.create_table("t", data)
    table = db.open_table("t").to_arrow().to_pylist()
    return len(table), len({(row["worker"], row["batch"], row["n"]) for row in table})


def chroma(path, rows):
    import chromadb

    rooms = chromadb.PersistentClient(path).get_or_create_collection("t", embedding_function=None)
    if rows:
        ids = [" ".join(map(str, row)) for row in rows]
        rooms.add(ids=ids, embeddings=[[float(w), float(n)] for w, _, n in rows])
    found = rooms.get(include=[])["ids"]
    return len(found), len(set(found))


kind, path, *batch = sys.argv[1:]
rows = [(int(batch[0]), int(batch[1]), n) for n in range(ROWS)] if batch else []
counts = {"sqlite": sqlite, "duckdb": duckdb, "lancedb": lancedb, "chroma": chroma}[kind](path, rows)
if not batch:
    print(*counts)
