# Reads {"seconds": N}, sleeps, answers. A Unix filter in three lines.
seconds=$(sed 's/.*"seconds": *\([0-9.]*\).*/\1/')
sleep "$seconds"
printf '{"slept": %s}\n' "$seconds"
