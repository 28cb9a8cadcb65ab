# What jq 1.6 has and the library lacks, as far as it makes sense for one document: not `input`, `inputs`, `env`, `$ENV`,
# modules and streams.

def IN(values): . as $value | any(values; . == $value);
def IN(source; values): any(source; IN(values));
def INDEX(rows; key): reduce rows as $row ({}; .[$row | key | tostring] = $row);
def INDEX(key): INDEX(.[]; key);
def leaf_paths: paths(scalars);
def recurse_down: recurse;
def toarray: if isarray then . else [.] end;
def trimstr($text): ltrimstr($text) | rtrimstr($text);
def ascii: [.] | implode;

def row_of($name; text; separator):
  if isarray then
    map(
      if . == null then ""
      elif isstring then text
      elif isnumber or isboolean then tostring
      else error("\(type) cannot stand in a \($name) row") end
    ) | join(separator)
  else error("\(type) cannot be a \($name) row") end;

def @csv: row_of("csv"; "\"" + gsub("\""; "\"\"") + "\""; ",");
def @tsv: row_of("tsv";
  gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r"); "\t");

def format($name):
  if $name == "text" then @text
  elif $name == "json" then @json
  elif $name == "csv" then @csv
  elif $name == "tsv" then @tsv
  elif $name == "html" then @html
  elif $name == "uri" then @uri
  elif $name == "sh" then @sh
  elif $name == "base64" then @base64
  elif $name == "base64d" then @base64d
  else error("\($name) is not a valid format") end;
