# The permit is given back once.
s/^(  registered .*)finish\(launched\) /\1finish(launched) finish(failed) /
