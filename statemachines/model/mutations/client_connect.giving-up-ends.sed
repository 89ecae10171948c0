# A caller who gives up is not kept.
/^rows unfinished/,/^$/ s/^  close .*/  close ignore "later"/
