#include "fsmgen/emit.h"
void emit_pml(struct out *out, const struct model *model) { (void)model; put(out, " "); }
