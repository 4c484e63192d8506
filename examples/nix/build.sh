# Compiles $src: a library lib$library.so with its headers or, where that is empty, the program $name.
# $dependencies are what it uses directly; what they use in turn they load themselves.
set --
for dependency in $dependencies; do
    library_file=$(echo "$dependency"/lib/lib*.so)
    set -- "$@" -I"$dependency/include" "$library_file" -Wl,-rpath,"$dependency/lib"
done
# Headers of headers.
for include in "$NIX_STORE"/*/include; do
    set -- "$@" -I"$include"
done
common="-O2 -Wall -Werror -Wl,-rpath,$runtime/lib -Wl,--allow-shlib-undefined"
if [ -n "$library" ]; then
    mkdir -p "$out/lib" "$out/include"
    cp "$src"/*.h "$out/include"
    gcc $common -shared -fPIC -o "$out/lib/lib$library.so" "$src"/*.c -Wl,-soname,"lib$library.so" "$@"
else
    mkdir -p "$out/bin"
    gcc $common -Wl,--dynamic-linker="$runtime/lib/ld.so" -o "$out/bin/words" "$src"/*.c "$@"
fi
