import json, re

def handle(input):
    return {'symbol': json.loads(input)['symbol']}
