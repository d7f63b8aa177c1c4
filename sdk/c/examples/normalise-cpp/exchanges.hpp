/* The exchanges: each reads a message and writes its events. */
#pragma once

#include "node.hpp"

void read_binance(Message &m, Node &top);
void read_okx(Message &m, Node &top);
void read_deribit(Message &m, Node &top);

/* is_book_ticker reports whether a raw message of Binance has the shape of the best bid and offer. */
bool is_book_ticker(const Node &top);
