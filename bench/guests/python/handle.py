import json, re

pair = re.compile(r'([a-z]+)-([a-z]+)')

def handle(input):
    order = json.loads(input)
    order['symbol'] = pair.sub(lambda m: m[1].upper() + '/' + m[2].upper(), order['symbol'])
    order['quantity'] = sum(quantity for _, quantity in order['fills'])
    return order
