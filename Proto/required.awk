# Prints, for each message with required fields, a line of a Swift dictionary. It knows only the
# layout of the files here: one declaration or brace to a line, or a whole message on one line.
FNR == 1 { depth = 0 }
/^package / { package = substr($2, 1, length($2) - 1) }
{
    sub(/^[ ]*\/\/.*/, "")
    count = split($0, words, /[ ;]+/)
    first = words[1] == "" ? 2 : 1
    for (i = first; i <= count; i++) {
        word = words[i]
        if (word == "message" || word == "enum" || word == "oneof") {
            names[++depth] = words[i + 1]
        } else if (word == "required") {
            path = package
            for (level = 1; level <= depth; level++) path = path "." names[level]
            if (!(path in fields)) order[++messages] = path
            else fields[path] = fields[path] ", "
            fields[path] = fields[path] words[i + 4] ": \"" words[i + 2] "\""
        } else if (word == "}") {
            delete names[depth--]
        } else if (word == "{}") {
            depth--
        }
    }
}
END {
    for (i = 1; i <= messages; i++) {
        printf "        \"%s\": [%s],\n", order[i], fields[order[i]]
    }
}
