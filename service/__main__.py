from service.init import main

main()
