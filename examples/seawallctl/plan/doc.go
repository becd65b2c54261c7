// Package plan is what has to be done to get from the facts that are to those
// that should be: the difference of two views, in an order in which nothing that
// goes stands in the way of what comes, and with as little as possible removed
// that comes back.
package plan
