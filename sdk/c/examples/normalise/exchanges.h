/* One function an exchange: each reads a message of its exchange and writes its events.
 *
 * They read fields one statement at a time, in the order of the event, since C leaves the order within
 * an initialiser open and of several failures the first one counts. */
#ifndef EXCHANGES_H
#define EXCHANGES_H

#include "node.h"

void read_binance(struct message *m, struct node *top);
void read_okx(struct message *m, struct node *top);
void read_deribit(struct message *m, struct node *top);

/* is_book_ticker reports whether a message has the shape of Binance's best bid and offer, which does
 * not say what it is. */
bool is_book_ticker(struct node *object);

#endif
