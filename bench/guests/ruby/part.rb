require 'json'

def handle(input)
  {symbol: JSON.parse(input)['symbol']}
end
