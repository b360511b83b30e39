package chuanyu.client;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** As much of JSON as files of receipts and conformance need: maps, lists, text, numbers (long or double), booleans, null. */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** Reads a document; throws IllegalArgumentException for what is none. */
    static Object read(String text) {
        var reader = new Json(text);
        try {
            var value = reader.value();
            if (reader.peek() != 0) throw new IllegalArgumentException("more than a document at " + reader.at);
            return value;
        } catch (StringIndexOutOfBoundsException error) {
            throw new IllegalArgumentException("the document is cut short");
        }
    }

    static String write(Object value) {
        if (value instanceof Map<?, ?> map) {
            return map.entrySet().stream().map(one -> quoted((String) one.getKey()) + ":" + write(one.getValue())).collect(Collectors.joining(",", "{", "}"));
        }
        if (value instanceof List<?> list) return list.stream().map(Json::write).collect(Collectors.joining(",", "[", "]"));
        return value instanceof String said ? quoted(said) : String.valueOf(value);
    }

    private static String quoted(String text) {
        var made = new StringBuilder("\"");
        for (char one : text.toCharArray()) {
            if (one == '"' || one == '\\') made.append('\\').append(one);
            else if (one < ' ' || one > '~') made.append(String.format("\\u%04x", (int) one));
            else made.append(one);
        }
        return made.append('"').toString();
    }

    private char peek() {
        while (at < text.length() && text.charAt(at) <= ' ') at++;
        return at < text.length() ? text.charAt(at) : 0;
    }

    private boolean takes(char wanted) {
        boolean is = peek() == wanted;
        if (is) at++;
        return is;
    }

    private void needs(char wanted) {
        if (!takes(wanted)) throw new IllegalArgumentException("no " + wanted + " at " + at);
    }

    private Object value() {
        if (takes('{')) {
            var map = new LinkedHashMap<String, Object>();
            while (!takes('}')) {
                if (!map.isEmpty()) needs(',');
                needs('"');
                var name = string();
                needs(':');
                map.put(name, value());
            }
            return map;
        }
        if (takes('[')) {
            var list = new ArrayList<Object>();
            while (!takes(']')) {
                if (!list.isEmpty()) needs(',');
                list.add(value());
            }
            return list;
        }
        return takes('"') ? string() : word();
    }

    private String string() {
        var made = new StringBuilder();
        for (char one = text.charAt(at++); one != '"'; one = text.charAt(at++)) {
            if (one != '\\') {
                made.append(one);
                continue;
            }
            char escaped = text.charAt(at++);
            int plain = "nrtbf".indexOf(escaped);
            if (escaped == 'u') {
                made.append((char) Integer.parseInt(text.substring(at, at += 4), 16));
            } else {
                made.append(plain < 0 ? escaped : "\n\r\t\b\f".charAt(plain));
            }
        }
        return made.toString();
    }

    private Object word() {
        int from = at;
        while (at < text.length() && ",]} \n\r\t".indexOf(text.charAt(at)) < 0) at++;
        var word = text.substring(from, at);
        return switch (word) {
            case "true" -> true;
            case "false" -> false;
            case "null" -> null;
            default -> word.matches("-?\\d+") ? (Object) Long.parseLong(word) : (Object) Double.parseDouble(word);
        };
    }
}
