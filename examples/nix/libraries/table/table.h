#pragma once
/* Prints a row of a table. */
void table_row(const char *name, const char *value);
