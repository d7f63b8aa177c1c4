import json, os, re

pair = re.compile(r'([a-z]+)-([a-z]+)')

def read():
    pieces = []
    while piece := os.read(0, 65536):
        pieces.append(piece)
    return b''.join(pieces)

order = json.loads(read())
order['symbol'] = pair.sub(lambda m: m[1].upper() + '/' + m[2].upper(), order['symbol'])
order['quantity'] = sum(quantity for _, quantity in order['fills'])
print(json.dumps(order))
