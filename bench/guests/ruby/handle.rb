require 'json'

PAIR = /([a-z]+)-([a-z]+)/

def handle(input)
  order = JSON.parse(input)
  order['symbol'] = order['symbol'].gsub(PAIR) { "#{$1.upcase}/#{$2.upcase}" }
  order['quantity'] = order['fills'].sum { |_, quantity| quantity }
  order
end
