# The rooms of src/ and who may include whom: one line a room, lowest level first.
# tests/layout/test_layers.py reads the same lines and checks every #include; the linker checks the rest.
#
#       room      may use (in order of level)                                         outside libraries
kg_room(base     USES                                                                 LIBRARIES)
kg_room(crypto   USES base                                                            LIBRARIES OpenSSL::Crypto simdjson::simdjson)
kg_room(net      USES base                                                            LIBRARIES Threads::Threads cares)
kg_room(http     USES base                                                            LIBRARIES)
kg_room(tls      USES base crypto net                                                 LIBRARIES OpenSSL::SSL)
kg_room(route    USES base crypto http                                                LIBRARIES pcre2)
kg_room(logs     USES base crypto http route                                               LIBRARIES Threads::Threads)
kg_room(auth     USES base crypto http route                                          LIBRARIES)
kg_room(policy   USES base crypto http auth                                           LIBRARIES yaml)
kg_room(limit    USES base crypto http route                                          LIBRARIES)
kg_room(identity USES base crypto http route auth                                     LIBRARIES)
kg_room(fetch    USES base net                                                        LIBRARIES Threads::Threads ${CMAKE_DL_LIBS})
kg_room(upstream USES base crypto net http tls route                                    LIBRARIES)
kg_room(store    USES base crypto http route auth                                     LIBRARIES Threads::Threads)
kg_room(pipeline USES base crypto net http logs tls route auth policy limit identity  LIBRARIES)
kg_room(issuer   USES base crypto net http logs tls route auth policy limit identity fetch pipeline  LIBRARIES)
kg_room(proxy    USES base crypto net http logs tls route auth identity upstream pipeline    LIBRARIES)
kg_room(conf     USES base crypto http logs tls route auth policy limit identity upstream store fetch pipeline issuer proxy LIBRARIES)
kg_room(process  USES base net logs auth upstream store fetch pipeline issuer conf                               LIBRARIES Threads::Threads)
kg_room(cli      USES base crypto net http logs tls route auth policy limit identity upstream store fetch pipeline issuer proxy conf process LIBRARIES CLI11::CLI11)
